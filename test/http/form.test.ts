/** A multipart body means what the same body would have meant as JSON, whichever client wrote its field names. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/ground/errors.ts';
import { type FormField, nestFields } from '../../src/http/form.ts';

type Fields = readonly FormField<string>[];

/** `a=1 b[c]=2` as fields. */
const fieldsOf = (text: string): Fields =>
  text.split(' ').map((field) => {
    const [name = '', value = ''] = field.split('=');
    return [name, value];
  });

/** What a body is refused with. */
function refusalOf(fields: Fields): { message: string; param: string | null } {
  try {
    nestFields(fields);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'invalid_multipart') return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('field names', () => {
  it.each<[what: string, text: string, object: unknown]>([
    ['plain', 'prompt=kite seconds=5', { prompt: 'kite', seconds: '5' }],
    ['a key inside', 'input_reference[image_url]=u', { input_reference: { image_url: 'u' } }],
    [
      'keys inside keys',
      'camera[config][pan]=1 camera[type]=simple',
      { camera: { config: { pan: '1' }, type: 'simple' } },
    ],
    ['a list', 'provider[order][]=fal provider[order][]=kling', { provider: { order: ['fal', 'kling'] } }],
    ['a list of one', 'order[]=fal', { order: ['fal'] }],
    ['a plain name that is repeated', 'order=fal order=kling', { order: ['fal', 'kling'] }],
    ['a key that is repeated', 'provider[only]=fal provider[only]=kling', { provider: { only: ['fal', 'kling'] } }],
    ['indexes in any order', 'n[2]=c n[0]=a n[10]=d n[1]=b', { n: ['a', 'b', 'c', 'd'] }],
    ['indexes with gaps', 'n[3]=a n[70]=b', { n: ['a', 'b'] }],
    ['indexes of objects', 'm[1][p]=b m[0][p]=a m[0][i]=1', { m: [{ p: 'a', i: '1' }, { p: 'b' }] }],
    ['numbers among words', 'n[0]=a n[x]=b', { n: { 0: 'a', x: 'b' } }],
    [
      'rows, as Node writes them',
      'm[][i]=1 m[][p]=a m[][i]=2 m[][p]=b',
      {
        m: [
          { i: '1', p: 'a' },
          { i: '2', p: 'b' },
        ],
      },
    ],
    [
      'columns, as Python does',
      'm[][i]=1 m[][i]=2 m[][p]=a m[][p]=b',
      {
        m: [
          { i: '1', p: 'a' },
          { i: '2', p: 'b' },
        ],
      },
    ],
    ['rows with keys inside', 'm[][c][x]=1 m[][c][x]=2', { m: [{ c: { x: '1' } }, { c: { x: '2' } }] }],
    ['other fields in between', 'm[][i]=1 a=0 m[][p]=x', { a: '0', m: [{ i: '1', p: 'x' }] }],
    ['names of methods', 'toString=a hasOwnProperty[valueOf]=b', { toString: 'a', hasOwnProperty: { valueOf: 'b' } }],
    ['names of any script', 'цена[メモ]=é', { цена: { メモ: 'é' } }],
  ])('can be %s', (_, text, object) => {
    expect(nestFields(fieldsOf(text))).toEqual(object);
  });

  it('may be none at all', () => {
    expect(nestFields([])).toEqual({});
  });

  it('keep their values as they are, files too', () => {
    const file = new File(['bytes'], 'first.png', { type: 'image/png' });
    const object = nestFields<File | string>([
      ['input_reference', file],
      ['frames[]', file],
      ['prompt', '{"not":"parsed"} = []'],
    ]);
    expect(object.input_reference).toBe(file);
    expect(object.frames).toEqual([file]);
    expect(object.prompt).toBe('{"not":"parsed"} = []');
  });

  it('make objects that inherit nothing', () => {
    const object = nestFields(fieldsOf('a[b][c]=1 m[][x]=2'));
    const [element] = object.m as Record<string, string>[];
    const { b } = object.a as Record<string, Record<string, string>>;
    for (const made of [object, object.a, b, element]) expect(Object.getPrototypeOf(made)).toBeNull();
  });
});

describe('a body is refused', () => {
  it.each<[why: string, text: string, param: string, says: RegExp]>([
    ['elements have different keys', 'm[][i]=1 m[][p]=a m[][i]=2', 'm', /different keys.*JSON string/],
    ['one element has a key more inside', 'm[][i]=1 m[][c][x]=1 m[][i]=2', 'm', /different keys/],
    ['a name is a value and an object', 'a=1 a[b]=2', 'a', /both as a value and as parts/],
    ['a name inside is a value and an object', 'a[b]=1 a[b][c]=2', 'a', /'a\[b\]' is given both/],
    ['an element is a value and an object', 'a[]=1 a[][b]=2', 'a', /'a\[\]' is given both/],
    ['a list has keys', 'a[]=1 a[b]=2', 'a', /mixes name\[\] with name\[key\]/],
    ['a list has indexes', 'a[]=1 a[0]=2', 'a', /mixes/],
    ['a bracket is not closed', 'a[b=1', 'a', /not a field name/],
    ['a bracket was not opened', 'a]=1', 'a]', /not a field name/],
    ['brackets are inside brackets', 'a[b[c]]=1', 'a', /not a field name/],
    ['something follows the brackets', 'a[b]c=1', 'a', /not a field name/],
    ['the name begins with a bracket', '[a]=1', '', /not a field name/],
    ['the name is empty', '=1', '', /not a field name/],
  ])('when %s', (_, text, param, says) => {
    expect(refusalOf(fieldsOf(text))).toMatchObject({ param, message: expect.stringMatching(says) });
  });

  it.each(['__proto__', 'constructor', 'prototype'])('when %s is a name, anywhere', (name) => {
    for (const path of [name, `${name}[a]`, `a[${name}]`, `a[][${name}]`, `a[0][${name}][b]`, `a[${name}][polluted]`]) {
      expect(refusalOf([[path, '1']]).message).toMatch(/not a name that may be used/);
    }
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it('when names are nested deeper than six levels', () => {
    expect(nestFields([['a[b][c][d][e][f]', '1']])).toEqual({ a: { b: { c: { d: { e: { f: '1' } } } } } });
    expect(refusalOf([['a[b][c][d][e][f][g]', '1']])).toMatchObject({ param: 'a' });
    expect(refusalOf([['a[][][][][][]', '1']]).message).toMatch(/deeper than 6 levels/);
  });

  it('when a name is longer than 200 characters, and the message does not repeat all of it', () => {
    expect(Object.keys(nestFields([['a'.repeat(200), '1']]))).toEqual(['a'.repeat(200)]);
    const { message } = refusalOf([['a'.repeat(201), '1']]);
    expect(message).toMatch(/longer than 200 characters/);
    expect(message.length).toBeLessThan(120);
  });
});

type Tree = string | Tree[] | { [key: string]: Tree };
type Writing = 'indexes' | 'rows' | 'columns';

/** The fields that a client writes for a value, in one of the three ways to write lists. */
function flatten(name: string, value: Tree, writing: Writing): FormField<string>[] {
  if (typeof value === 'string') return [[name, value]];
  if (!Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, inner]) => flatten(`${name}[${key}]`, inner, writing));
  }
  if (writing === 'indexes') return value.flatMap((inner, index) => flatten(`${name}[${index}]`, inner, writing));
  const rows = value.map((inner) => flatten(`${name}[]`, inner, writing));
  if (writing === 'rows') return rows.flat();
  return (rows[0] ?? []).flatMap((_, column) => rows.flatMap((row) => row.slice(column, column + 1)));
}

const flattenAll = (object: Record<string, Tree>, writing: Writing): FormField<string>[] =>
  Object.entries(object).flatMap(([name, value]) => flatten(name, value, writing));

const scalar = fc.string({ maxLength: 6 });
const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];
const key = fc
  .string({ minLength: 1, maxLength: 12 })
  .filter((text) => !/[[\]]/.test(text) && !FORBIDDEN.includes(text));
/** An object whose keys are all numbers would be a list. */
const objectOf = <T>(inner: fc.Arbitrary<T>) =>
  fc
    .dictionary(key, inner, { minKeys: 1, maxKeys: 4 })
    .filter((object) => Object.keys(object).some((name) => !/^\d+$/.test(name)));

/** Anything at all, five levels below its name. */
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, depthIdentifier: 'tree' },
    scalar,
    fc.array(tie('tree'), { minLength: 1, maxLength: 12, depthIdentifier: 'tree' }),
    objectOf(tie('tree')),
  ),
}));

/** Elements that all have the same keys, as brackets without an index can tell them. */
const elements = fc
  .tuple(fc.uniqueArray(key, { minLength: 1, maxLength: 3 }), fc.array(scalar, { minLength: 1, maxLength: 12 }))
  .map(([keys, values]): Tree[] =>
    values.map((value) => ({
      ...Object.fromEntries(keys.map((name) => [name, `${name} ${value}`])),
      within: Object.fromEntries([...keys, 'x'].map((name) => [name, value])),
    })),
  );
const uniform = objectOf(fc.oneof(scalar, fc.array(scalar, { minLength: 1 }), elements, objectOf(elements)));

describe('an object that was flattened comes back', () => {
  it('from indexed names, whatever their order', () => {
    const written = objectOf(tree).chain((object) => {
      const fields = flattenAll(object, 'indexes');
      return fc.tuple(fc.constant(object), fc.shuffledSubarray(fields, { minLength: fields.length }));
    });
    fc.assert(
      fc.property(written, ([object, fields]) => {
        expect(nestFields(fields)).toEqual(object);
      }),
    );
  });

  it.each<Writing>(['rows', 'columns'])('from lists that were written in %s', (writing) => {
    fc.assert(
      fc.property(uniform, (object) => {
        expect(nestFields(flattenAll(object, writing))).toEqual(object);
      }),
    );
  });
});
