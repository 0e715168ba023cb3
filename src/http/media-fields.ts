import { GatewayError, invalidValue } from '../ground/errors.ts';
import type { Media } from '../ground/video-request.ts';
import { AddressRefused, type AddressRules, checkUrl } from '../wire/address.ts';
import { type Upload, type UploadSink, writeUpload } from './body.ts';
import type { CreateFields, MediaField } from './fields.ts';
import type { RequestMedia } from './normalise.ts';

/** Reads the media fields of one request and keeps account of what it stored, so that a refusal can take it back. */
export class MediaReader {
  readonly stored: Upload[] = [];
  private readonly sink: UploadSink;
  private readonly rules: AddressRules;

  constructor(sink: UploadSink, rules: AddressRules) {
    this.sink = sink;
    this.rules = rules;
  }

  /** Every image and video of the fields: addresses checked, data URLs and base64 stored like uploads. */
  async readAll(fields: CreateFields): Promise<RequestMedia> {
    const frames = fields.frame_images ?? [];
    const framed = (type: 'first_frame' | 'last_frame') => frames.find((frame) => frame.frame_type === type);
    const firstFrame = await this.optional(fields.input_reference ?? framed('first_frame'), 'input_reference');
    const lastFrame = await this.optional(fields.image_tail ?? framed('last_frame'), 'image_tail');
    const video = await this.optional(fields.video_url, 'video_url');
    const staticMask = await this.optional(fields.static_mask, 'static_mask');
    const references: Media[] = [];
    for (const field of fields.reference_images ?? []) references.push(await this.read(field, 'reference_images'));
    const dynamicMasks: RequestMedia['dynamicMasks'][number][] = [];
    for (const { mask, trajectories } of fields.dynamic_masks ?? []) {
      dynamicMasks.push({ mask: await this.read(mask, 'dynamic_masks'), trajectory: trajectories });
    }
    return {
      references,
      dynamicMasks,
      ...(firstFrame && { firstFrame }),
      ...(lastFrame && { lastFrame }),
      ...(video && { video }),
      ...(staticMask && { staticMask }),
    };
  }

  private async optional(field: MediaField | undefined, param: string): Promise<Media | undefined> {
    return field === undefined ? undefined : await this.read(field, param);
  }

  private async read(field: MediaField, param: string): Promise<Media> {
    const value = unwrap(field);
    if (typeof value !== 'string') return value;
    if (/^https?:/i.test(value)) return this.address(value, param);
    const bytes = inlineBytes(value);
    if (bytes === null) {
      throw invalidValue(
        param,
        `'${param}' must be a file, an https URL, a data URL or base64, got ${JSON.stringify(value.slice(0, 40))}.`,
      );
    }
    return await this.store(bytes, param);
  }

  private address(value: string, param: string): Media {
    try {
      return { kind: 'url', url: checkUrl(value, this.rules).href };
    } catch (error) {
      if (!(error instanceof AddressRefused)) throw error;
      const message = `The address in '${param}' is not reachable or not allowed. Use a public https address.`;
      throw new GatewayError('invalid_value', { message, param, internal: error.message });
    }
  }

  private async store(bytes: Buffer, param: string): Promise<Upload> {
    const { uploadId, part } = await this.sink.create();
    try {
      const upload = await writeUpload(one(bytes), uploadId, part, param);
      this.stored.push(upload);
      return upload;
    } catch (error) {
      await part.discard();
      throw error;
    }
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** The address, text or upload inside the shapes that clients wrap it in. */
function unwrap(field: MediaField): string | Upload {
  if (typeof field === 'string' || 'uploadId' in field) return field;
  if ('image_url' in field) return typeof field.image_url === 'string' ? field.image_url : field.image_url.url;
  if ('image' in field) return field.image;
  return 'video_url' in field ? field.video_url : field.url;
}

const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;
/** Shorter base64 is no image; it is a word. */
const BASE64_CHARACTERS_MIN = 64;

function inlineBytes(text: string): Buffer | null {
  const data = /^data:[^,]{0,100};base64,/i.exec(text.slice(0, 128));
  const base64 = data ? text.slice(data[0].length) : text;
  if (!data && base64.length < BASE64_CHARACTERS_MIN) return null;
  return BASE64.test(base64) ? Buffer.from(base64, 'base64') : null;
}
