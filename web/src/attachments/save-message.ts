/** Saves the file of a message outside of the app, and says why if that fails. */
import { extensionOf } from '../local/media'
import type { Message } from '../local/types'
import { toasts } from '../parts/toasts.svelte'
import type { App } from '../sync/app'
import { t } from '../strings/strings.svelte'
import { askFor } from './ask'
import { problemOf, type Problem } from './file-load.svelte'
import { saveFile } from './save'

export interface SaveOptions {
  /** Of a large file, which goes to the disk while it comes: from 0 to 1. */
  progress?: (part: number) => void
  signal?: AbortSignal
}

const SAID = { lost: 'save.lost', wrong: 'save.wrong' } as const satisfies Record<
  Exclude<Problem, 'gone'>,
  string
>

function isFull(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'QuotaExceededError'
}

/** The name under which the file of a message is saved. */
export function savedName({ media, at }: Message): string {
  return media?.name || `${new Date(at).toISOString().slice(0, 10)}.${extensionOf(media?.type ?? '')}`
}

/** Returns what went wrong; the person has been told. A file that is gone was asked for. */
export async function saveMessage(
  app: App,
  message: Message,
  { progress, signal }: SaveOptions = {}
): Promise<Problem | undefined> {
  const name = savedName(message)
  try {
    if (message.media?.segments) {
      const { saveLarge } = await import('./save-large')
      await saveLarge(await app.largeFile(message.key), name, progress, signal)
    } else saveFile(await app.file(message.key, signal && { signal }), name)
    return undefined
  } catch (error) {
    if (signal?.aborted) return undefined
    const problem = problemOf(error)
    if (problem === 'gone') await askFor(app, message)
    else toasts.show(t(isFull(error) ? 'save.full' : SAID[problem]))
    return problem
  }
}
