/** The worker that encrypts and decrypts files, and prepares pictures, so that the page stays responsive. */
import { decryptWhole, digestOf, encryptWhole, NotAuthentic } from './cipher'
import { NoPicture } from './no-picture'
import { makeSmall } from './small'
import { makeSticker, type Sticker } from './stickers'
import type { PictureEdit } from './picture-edit'
import { preparePicture, type Prepared, type Quality } from './pictures'

export type Task =
  | { do: 'encrypt'; data: Blob; key: string; iv: string }
  | { do: 'decrypt'; data: Blob; key: string; iv: string; digest: string | undefined; type: string }
  | { do: 'digest'; data: Blob }
  | { do: 'sticker'; data: Blob }
  | { do: 'small'; data: Blob }
  | { do: 'picture'; data: Blob; quality: Quality; edit?: PictureEdit }

export interface Results {
  encrypt: Blob
  decrypt: Blob
  digest: string
  picture: Prepared
  sticker: Sticker
  small: Blob
}

export type Answer = { id: number } & ({ result: unknown } | { error: string; is?: 'forged' | 'no-picture' })

/** Pictures are prepared one after the other, since each takes much memory while it is decoded. */
let last: Promise<unknown> = Promise.resolve()

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = last.then(work)
  last = done.catch(() => undefined)
  return done
}

export async function perform(task: Task): Promise<unknown> {
  switch (task.do) {
    case 'sticker':
      return makeSticker(task.data)
    case 'small':
      return makeSmall(task.data)
    case 'encrypt':
      return encryptWhole(task.data, task.key, task.iv)
    case 'decrypt':
      return decryptWhole(task.data, task.key, task.iv, task.digest, task.type)
    case 'digest':
      return digestOf(task.data)
    case 'picture':
      return inTurn(() => preparePicture(task.data, task.quality, task.edit))
  }
}

// Where there are no workers, `perform` is called directly
if (typeof document === 'undefined' && typeof globalThis.postMessage === 'function') {
  globalThis.onmessage = ({ data }: MessageEvent<{ id: number; task: Task }>) => {
    const { id, task } = data
    perform(task).then(
      (result) => {
        globalThis.postMessage({ id, result } satisfies Answer)
      },
      (error: unknown) => {
        const forged = error instanceof NotAuthentic && { is: 'forged' as const }
        const none = error instanceof NoPicture && { is: 'no-picture' as const }
        globalThis.postMessage({ id, error: String(error), ...forged, ...none } satisfies Answer)
      }
    )
  }
}
