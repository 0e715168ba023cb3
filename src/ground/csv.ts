/** Tables as comma-separated text: RFC 4180, and safe to open in a spreadsheet. */

export type CsvCell = string | number | null;

/**
 * The rows under their head, each line ended by CR LF. Empty for null. A text that a spreadsheet would take for a formula
 * is led by an apostrophe (owasp.org, CSV injection, 2026): tags and names come from tenants. Numbers are ours and stay
 * numbers.
 */
export function writeCsv(head: readonly string[], rows: readonly (readonly CsvCell[])[]): string {
  return [head, ...rows].map((row) => `${row.map(writeCell).join(',')}\r\n`).join('');
}

function writeCell(cell: CsvCell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(cell);
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
