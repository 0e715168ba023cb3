import type { Resolution, Task } from '../../src/ground/models.ts';
import { makePng } from '../support/images.ts';

/** One thing that a provider sells according to its public pages, and a create request that orders it. */
export interface Sold {
  readonly model: string;
  readonly task: Task;
  readonly resolution: Resolution;
  readonly audio: boolean;
  /** The create body besides `model`, `resolution`, `generate_audio` and `provider`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A picture that is uploaded with the request. */
export const FIRST_FRAME = `data:image/png;base64,${makePng(640, 640).toString('base64')}`;
/** A picture that is given by its address; no emulator fetches it. */
export const PICTURE_URL = 'https://media.example.com/picture.png';
/** Videos come by address only; no emulator fetches it. */
export const SOURCE_VIDEO = 'https://media.example.com/source.mp4';
