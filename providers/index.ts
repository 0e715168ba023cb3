import { atlas } from './atlas/index.ts';
import type { AnyProvider } from './define.ts';
import { evolink } from './evolink/index.ts';
import { fal } from './fal/index.ts';
import { kling } from './kling/index.ts';
import { piapi } from './piapi/index.ts';

/** Every provider, in the order in which ties are broken. */
export const PROVIDERS: readonly AnyProvider[] = [kling, evolink, atlas, fal, piapi];
