import type { Failure, SubmissionMedia } from '../../providers/contract.ts';
import { present } from '../ground/assert.ts';
import { HOUR_MS } from '../ground/time.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import { type OwnMedia, resolveMedia, type UploadMedia } from '../wire/media.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { uploadName } from './close.ts';
import type { Deps } from './deps.ts';

/** A link to an upload outlives the longest job by nothing. */
const LINK_LIFE_MS = 6 * HOUR_MS;

/** Media that could not be brought to the provider: nothing was submitted, so another candidate may be tried. */
class NotBrought extends Error {
  override readonly name = 'NotBrought';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.detail);
    this.failure = failure;
  }
}

/** The media of a job's request as this account's provider takes them, or the failure to bring them there. */
export async function prepareMedia(
  deps: Deps,
  request: VideoRequest,
  account: ProviderAccount,
): Promise<SubmissionMedia | Failure> {
  try {
    return await resolveMedia(account.provider, request, {
      linkable: deps.settings.publicUrl !== null,
      read: (upload) => readAll(deps, upload),
      link: (media) => linkTo(deps, media),
      store: (upload, bytes) => storeAtProvider(deps, account, upload, bytes),
    });
  } catch (error) {
    if (error instanceof NotBrought) return error.failure;
    throw error;
  }
}

async function readAll(deps: Deps, upload: UploadMedia): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of deps.files.read(uploadName(upload.uploadId))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A short-lived address of the upload or saved video at this gateway, which nobody can guess or lengthen. */
function linkTo(deps: Deps, media: OwnMedia): string {
  const [folder, id] = media.kind === 'saved' ? ['clips', media.videoId] : ['uploads', media.uploadId];
  const expires = deps.clock.nowMs() + LINK_LIFE_MS;
  const signature = deps.sealer.sign('media link', `${id} ${expires}`);
  return `${deps.settings.publicUrl}/${folder}/${id}?expires=${expires}&signature=${signature}`;
}

async function storeAtProvider(
  deps: Deps,
  account: ProviderAccount,
  upload: UploadMedia,
  bytes: Buffer,
): Promise<string> {
  const exchange = present(account.connection.upload, 'an upload exchange');
  const file = {
    fileName: `${upload.digest.slice(0, 16)}.${upload.contentType.slice('image/'.length)}`,
    contentType: upload.contentType,
    base64: bytes.toString('base64'),
  };
  const answer = await deps.wire.upload(account.target, exchange.request(file, deps.wallMs()));
  if (answer.kind !== 'answered') throw notBrought(answer.detail);
  const outcome = exchange.response(answer.response, file);
  switch (outcome.state) {
    case 'uploaded':
      return outcome.url;
    case 'put': {
      const fault = await deps.downloads.put(outcome.putUrl, bytes, upload.contentType);
      if (fault !== null) throw notBrought(fault);
      return outcome.url;
    }
    case 'failure':
      throw new NotBrought(outcome);
  }
}

function notBrought(detail: string): NotBrought {
  return new NotBrought({ state: 'failure', kind: 'unavailable', detail: `upload: ${detail}` });
}
