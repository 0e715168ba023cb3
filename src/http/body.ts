import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import { GatewayError } from '../ground/errors.ts';
import { jsonDepth } from '../ground/json.ts';
import type { Media } from '../ground/video-request.ts';
import type { PartFile } from '../store/files.ts';
import { type FormField, nestFields } from './form.ts';

const JSON_BYTES_MAX = 32 * 1_048_576;
const JSON_LEVELS_MAX = 64;
const FORM_BYTES_MAX = 64 * 1_048_576;
const FILE_BYTES_MAX = 20 * 1_048_576;
const FILES_MAX = 8;
const FIELDS_MAX = 200;
const FIELD_BYTES_MAX = 65_536;

/** An image that came as bytes and now lies in our files. */
export type Upload = Extract<Media, { kind: 'upload' }>;

/** Where uploads go: a fresh file and the id it lies under. */
export interface UploadSink {
  create(): Promise<{ readonly uploadId: string; readonly part: PartFile }>;
  /** Takes back an upload of a request that was refused. */
  remove(uploadId: string): Promise<void>;
}

/** A decoded body: an object without a prototype; uploads stand where their fields stood. */
export interface Body {
  readonly fields: Record<string, unknown>;
  readonly encoding: 'json' | 'form';
  readonly uploads: readonly Upload[];
}

/**
 * Reads a body in any encoding that current SDKs put on the wire, within limits counted on the bytes that arrive. A
 * body that says it is JSON and begins with `--` is the form that it is: Node SDKs send that when an app sets the
 * content type by hand. Throws a GatewayError (400, 413, 415) and leaves no file behind.
 */
export async function readBody(incoming: IncomingMessage, sink: UploadSink): Promise<Body> {
  const type = incoming.headers['content-type'] ?? '';
  if (/^multipart\/form-data\b/i.test(type)) return await readForm(incoming, type, sink);
  if (type !== '' && !/\bjson\b/i.test(type)) throw new GatewayError('unsupported_media_type');
  const limit = Math.max(JSON_BYTES_MAX, FORM_BYTES_MAX);
  const bytes = await readBytes(incoming, limit);
  const boundary = /^--([^\r\n]{1,200})\r\n/.exec(bytes.subarray(0, 256).toString('latin1'))?.[1];
  if (boundary !== undefined) {
    return await readForm(Readable.from([bytes]), `multipart/form-data; boundary=${boundary}`, sink);
  }
  if (bytes.length > JSON_BYTES_MAX) throw tooLarge(`a JSON body of more than ${JSON_BYTES_MAX} bytes`);
  return { fields: parseObject(bytes.toString('utf8')), encoding: 'json', uploads: [] };
}

async function readBytes(incoming: IncomingMessage, limit: number): Promise<Buffer> {
  const announced = Number(incoming.headers['content-length'] ?? 0);
  if (announced > limit) throw tooLarge(`a body of ${announced} bytes; at most ${limit} are taken`);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    length += chunk.length;
    if (length > limit) throw tooLarge(`a body of more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function tooLarge(what: string, param?: string): GatewayError {
  const message = `The request is too large: ${what}.`;
  return new GatewayError('request_too_large', {
    message,
    ...(param !== undefined && { param }),
  });
}

/** A JSON object. Depth is judged before parsing, so that no text can make the parser work hard. */
export function parseObject(text: string): Record<string, unknown> {
  if (jsonDepth(text) > JSON_LEVELS_MAX) {
    throw new GatewayError('invalid_json', {
      message: `The JSON body is nested deeper than ${JSON_LEVELS_MAX} levels.`,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : 'it cannot be parsed';
    throw new GatewayError('invalid_json', {
      message: `The request body is not valid JSON: ${reason.slice(0, 200)}.`,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GatewayError('invalid_json', { message: 'The request body must be a JSON object.' });
  }
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, member] of Object.entries(value)) if (key !== '__proto__') object[key] = member;
  return object;
}

/** A form, streamed: text fields to memory, files to disk, both counted. */
async function readForm(stream: Readable, contentType: string, sink: UploadSink): Promise<Body> {
  let parser: InstanceType<typeof Busboy>;
  try {
    parser = new Busboy({
      headers: { 'content-type': contentType },
      isPartAFile: (_name, _type, fileName) => fileName !== undefined,
      limits: {
        fields: FIELDS_MAX,
        fieldSize: FIELD_BYTES_MAX,
        files: FILES_MAX,
        fileSize: FILE_BYTES_MAX,
        parts: FIELDS_MAX + FILES_MAX,
        headerPairs: 20,
      },
    });
  } catch {
    const message = 'The multipart body has no boundary: send the content type your client makes, boundary included.';
    throw new GatewayError('invalid_multipart', { message });
  }
  const form = new FormReader(sink);
  try {
    await form.read(stream, parser);
    const fields = nestFields(form.fields);
    const uploads = form.fields.flatMap(([, value]) => (typeof value === 'string' ? [] : [value]));
    return { fields, encoding: 'form', uploads };
  } catch (error) {
    await form.discard();
    throw error;
  }
}

/** What an SDK makes of a raw buffer: one field per byte. Twenty of them are told for what they are. */
function scatteredBytes(name: string): GatewayError {
  const param = name.replace(/\[.*$/, '');
  const message = `'${param}' came as single bytes. Wrap the bytes in a file, with toFile(bytes, 'image.png') for example.`;
  return new GatewayError('invalid_value', { message, param });
}

type FileStream = Readable & { truncated?: boolean };

/** Collects the parts of one form as the parser finds them. */
class FormReader {
  readonly fields: FormField<string | Upload>[] = [];
  private readonly sink: UploadSink;
  private readonly created: { readonly uploadId: string; readonly part: PartFile }[] = [];
  private readonly saving: Promise<void>[] = [];
  private readonly files = new Set<FileStream>();
  private bytes = 0;

  constructor(sink: UploadSink) {
    this.sink = sink;
  }

  async read(stream: Readable, parser: InstanceType<typeof Busboy>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown): void => {
        // The rest of the body is read and thrown away, so that the client gets to read the answer.
        stream.unpipe(parser);
        stream.resume();
        for (const file of this.files) file.destroy();
        reject(error);
      };
      parser.on('field', (name, value, nameTruncated, valueTruncated) => {
        if (nameTruncated || valueTruncated) fail(tooLarge(`a field of more than ${FIELD_BYTES_MAX} bytes`, name));
        else if (/\[(?:[2-9]\d|\d{3,})\]$/.test(name)) fail(scatteredBytes(name));
        else this.fields.push([name, value]);
      });
      parser.on('file', (name, file) => {
        this.files.add(file);
        const saved = this.save(name, file);
        this.saving.push(saved);
        saved.catch(fail);
      });
      parser.on('fieldsLimit', () => fail(tooLarge(`more than ${FIELDS_MAX} fields`)));
      parser.on('filesLimit', () => fail(tooLarge(`more than ${FILES_MAX} files`)));
      parser.on('partsLimit', () => fail(tooLarge(`more than ${FIELDS_MAX + FILES_MAX} parts`)));
      parser.on('error', () => fail(new GatewayError('invalid_multipart')));
      parser.on('finish', resolve);
      stream.on('error', () => fail(new GatewayError('invalid_multipart', { message: 'The body was cut off.' })));
      stream.on('aborted', () => fail(new GatewayError('invalid_multipart', { message: 'The body was cut off.' })));
      stream.on('data', (chunk: Buffer) => {
        this.bytes += chunk.length;
        if (this.bytes > FORM_BYTES_MAX) fail(tooLarge(`a form of more than ${FORM_BYTES_MAX} bytes`));
      });
      stream.pipe(parser);
    });
    await Promise.all(this.saving);
  }

  /** Removes the files of a form that was refused half way. */
  async discard(): Promise<void> {
    await Promise.allSettled(this.saving);
    await Promise.all(
      this.created.map(async ({ uploadId, part }) => {
        await part.discard();
        await this.sink.remove(uploadId);
      }),
    );
  }

  private async save(name: string, file: FileStream): Promise<void> {
    const { uploadId, part } = await this.sink.create();
    this.created.push({ uploadId, part });
    const upload = await writeUpload(file, uploadId, part, name);
    if (file.truncated) throw tooLarge(`the file '${name}' has more than ${FILE_BYTES_MAX} bytes`, name);
    this.fields.push([name, upload]);
  }
}

/** Stores an image and says what it is, by its first bytes and not by its name. */
export async function writeUpload(
  bytes: AsyncIterable<Uint8Array | string>,
  uploadId: string,
  part: PartFile,
  param: string,
): Promise<Upload> {
  const hash = createHash('sha256');
  let length = 0;
  let contentType: Upload['contentType'] | null = null;
  for await (const piece of bytes) {
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece;
    if (length === 0) contentType = imageTypeOf(chunk);
    length += chunk.length;
    hash.update(chunk);
    if (contentType !== null) await part.write(chunk);
  }
  if (contentType === null) {
    const message = `'${param}' is not a JPEG, PNG or WebP image.`;
    throw new GatewayError('invalid_value', { message, param });
  }
  await part.finish();
  return { kind: 'upload', uploadId, contentType, bytes: length, digest: hash.digest('hex') };
}

function imageTypeOf(bytes: Uint8Array): Upload['contentType'] | null {
  const head = Buffer.from(bytes.subarray(0, 12));
  if (head.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'image/jpeg';
  if (head.subarray(0, 8).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))) return 'image/png';
  if (head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'WEBP') return 'image/webp';
  return null;
}
