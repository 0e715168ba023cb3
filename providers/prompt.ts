/**
 * How a prompt refers to its own media. Kling's generations and its resellers each write it their own way
 * (`@image_1`, `<<<image_1>>>`, `@Image1`); a prompt may come in any of them and leaves in the provider's.
 */
const REFERENCE = /<<<(image|video|element|voice)_(\d+)>>>|@(image|video|element|voice)_?(\d+)\b/gi;

export type ReferenceKind = 'image' | 'video' | 'element' | 'voice';

/** The prompt with every reference written by `write`; everything else stays as it is. */
export function writeReferences(prompt: string, write: (kind: ReferenceKind, number: number) => string): string {
  return prompt.replace(REFERENCE, (_whole, kindA, numberA, kindB, numberB) =>
    write(String(kindA ?? kindB).toLowerCase() as ReferenceKind, Number(numberA ?? numberB)),
  );
}

/** `<<<image_1>>>`: Kling's older generation, EvoLink. */
export const inBrackets = (kind: ReferenceKind, number: number): string => `<<<${kind}_${number}>>>`;

/** `@image_1`: Kling's new generation, PiAPI. */
export const withAt = (kind: ReferenceKind, number: number): string => `@${kind}_${number}`;

/** `@Image1`: fal. */
export const withCapital = (kind: ReferenceKind, number: number): string =>
  `@${kind.charAt(0).toUpperCase()}${kind.slice(1)}${number}`;
