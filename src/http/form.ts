import { GatewayError } from '../ground/errors.ts';

/**
 * The front: what clients send and hear. This file turns the flat fields of a multipart body into the nested object
 * that JSON would have been. Field names are paths: `a[b][c]`, `a[]` repeats, `a[0]` counts, a repeated `a` is a list.
 */

export type FormField<Value> = readonly [name: string, value: Value];

const NESTING_MAX = 6;
const NAME_CHARACTERS_MAX = 200;
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

interface Leaf<Value> {
  readonly path: readonly string[];
  readonly value: Value;
}

type Tree<Value> = Value | Tree<Value>[] | { [key: string]: Tree<Value> };

/** The fields as one object without a prototype. Order does not matter. Throws `invalid_multipart` with the name. */
export function nestFields<Value>(fields: readonly FormField<Value>[]): Record<string, Tree<Value>> {
  const leavesByName = new Map<string, Leaf<Value>[]>();
  for (const [name, value] of fields) {
    const [base = '', ...path] = segmentsOf(name);
    const leaves = leavesByName.get(base) ?? [];
    leavesByName.set(base, leaves);
    leaves.push({ path, value });
  }
  const object: Record<string, Tree<Value>> = Object.create(null);
  for (const [base, leaves] of leavesByName) object[base] = build(base, leaves);
  return object;
}

/** `provider[order][]` as `['provider', 'order', '']`. */
function segmentsOf(name: string): string[] {
  if (name.length > NAME_CHARACTERS_MAX)
    throw fault(name.slice(0, 40), `is longer than ${NAME_CHARACTERS_MAX} characters`);
  const match = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(name);
  if (!match) throw fault(name, 'is not a field name: write name, name[key] or name[]');
  const [, base = '', rest = ''] = match;
  const segments = [base, ...[...rest.matchAll(/\[([^[\]]*)\]/g)].map(([, inner = '']) => inner)];
  if (segments.length > NESTING_MAX) throw fault(name, `is nested deeper than ${NESTING_MAX} levels`);
  if (segments.some((segment) => FORBIDDEN.has(segment))) throw fault(name, 'is not a name that may be used');
  return segments;
}

function build<Value>(name: string, leaves: readonly Leaf<Value>[]): Tree<Value> {
  const plain = leaves.filter(({ path }) => path.length === 0);
  if (plain.length > 0) {
    if (plain.length < leaves.length) throw fault(name, 'is given both as a value and as parts of one');
    const [first] = plain;
    return plain.length === 1 && first ? first.value : plain.map(({ value }) => value);
  }
  const keys = new Set(leaves.map(({ path }) => path[0] ?? ''));
  if (keys.has('')) {
    if (keys.size > 1) throw fault(name, 'mixes name[] with name[key]');
    return buildRepeated(name, leaves.map(shorten));
  }
  const children = [...keys].map((key) => {
    const inside = leaves.filter(({ path }) => path[0] === key).map(shorten);
    return [key, build(`${name}[${key}]`, inside)] as const;
  });
  if (children.every(([key]) => /^\d+$/.test(key))) {
    return children.sort(([a], [b]) => Number(a) - Number(b)).map(([, child]) => child);
  }
  const object: { [key: string]: Tree<Value> } = Object.create(null);
  for (const [key, child] of children) object[key] = child;
  return object;
}

const shorten = <Value>({ path, value }: Leaf<Value>): Leaf<Value> => ({ path: path.slice(1), value });

/**
 * `m[]` holds scalars; `m[][a]` holds objects, written row by row by some clients and column by column by others. The
 * i-th occurrence of each leaf name belongs to the i-th element, which is exact only while all elements have the same
 * keys: counts that differ are refused, because guessing would mix two elements. Elements whose keys differ although
 * their counts agree cannot be told from one element with all of them.
 */
function buildRepeated<Value>(name: string, leaves: readonly Leaf<Value>[]): Tree<Value> {
  if (leaves.every(({ path }) => path.length === 0)) return leaves.map(({ value }) => value);
  if (leaves.some(({ path }) => path.includes(''))) {
    throw fault(name, 'has lists inside its elements; send the field as a JSON string instead');
  }
  const columns = new Map<string, Leaf<Value>[]>();
  for (const leaf of leaves) {
    const column = leaf.path.join('][');
    columns.set(column, [...(columns.get(column) ?? []), leaf]);
  }
  const counts = new Set([...columns.values()].map((column) => column.length));
  if (counts.size > 1) throw fault(name, 'has elements with different keys; send the field as a JSON string instead');
  const [count = 0] = counts;
  return Array.from({ length: count }, (_, index) => {
    const element = [...columns.values()].flatMap((column) => column.slice(index, index + 1));
    return build(`${name}[]`, element);
  });
}

function fault(name: string, problem: string): GatewayError {
  const base = name.split('[')[0] ?? name;
  return new GatewayError('invalid_multipart', {
    message: `The field '${name}' ${problem}.`,
    param: base,
  });
}
