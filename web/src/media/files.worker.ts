/** The worker that encrypts and decrypts files, and prepares pictures, so that the page stays responsive. */
import { decryptWhole, digestOf, encryptWhole, NotAuthentic } from './cipher'

export type Task =
  | { do: 'encrypt'; data: Blob; key: string; iv: string }
  | { do: 'decrypt'; data: Blob; key: string; iv: string; digest: string | undefined; type: string }
  | { do: 'digest'; data: Blob }

export interface Results {
  encrypt: Blob
  decrypt: Blob
  digest: string
}

export type Answer = { id: number } & ({ result: unknown } | { error: string; authentic?: false })

export async function perform(task: Task): Promise<unknown> {
  switch (task.do) {
    case 'encrypt':
      return encryptWhole(task.data, task.key, task.iv)
    case 'decrypt':
      return decryptWhole(task.data, task.key, task.iv, task.digest, task.type)
    case 'digest':
      return digestOf(task.data)
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
        const authentic = error instanceof NotAuthentic && { authentic: false as const }
        globalThis.postMessage({ id, error: String(error), ...authentic } satisfies Answer)
      }
    )
  }
}
