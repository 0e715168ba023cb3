import type { Asked } from '../routing/asked.ts';

/** What the caller sees of its own request, beside what is made of it. */
export interface Presentation {
  /** The model as the caller named it. */
  readonly model: string;
  readonly size: string;
  /** Empty where the output follows its source video. */
  readonly seconds: string;
  /** The first candidate's price, in dollars: what the clip will probably cost. */
  readonly estimate: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  readonly remixedFrom?: string;
  /** Where the end of this video is announced besides the tenant's endpoints. */
  readonly callbackUrl?: string;
  /** In the sandbox: what this request wants to go wrong. */
  readonly sandboxFault?: string;
  /** What it asked of its routing; absent where it asked nothing. */
  readonly asked?: Asked;
}
