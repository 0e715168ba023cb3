import Table from 'cli-table3';

/** Writes a value as JSON, for programs. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Writes a line, for people. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes a table, for people: plain lines, numbers to the right. */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const numeric = head.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^[-$\d.,%]*$/.test(String(row[column]))),
  );
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    colAligns: numeric.map((isNumber) => (isNumber ? 'right' : 'left')),
  });
  table.push(...rows.map((row) => row.map(String)));
  printLine(table.toString());
}

/** `$0.355`: dollars as they come over the wire, with at least two decimals. */
export function dollars(amount: number | null | undefined): string {
  if (amount === null || amount === undefined) return '-';
  const text = Math.abs(amount).toFixed(6).replace(/0+$/, '');
  const [whole, fraction = ''] = text.split('.');
  return `${amount < 0 ? '-' : ''}$${whole}.${fraction.padEnd(2, '0')}`;
}
