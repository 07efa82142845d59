/** Runs `file.ts` in a worker, if the browser has workers. */
import { trustedWorker } from '../local/worker'
import { BadFile } from './bad-file'
import type { OpenedFile } from './file'
import type { Outcome, Task } from './file.worker'

export async function sealed(data: Blob, key: string, words: boolean): Promise<Blob> {
  if (typeof Worker === 'undefined') return (await import('./file')).sealFile(data, key, words)
  const outcome = await done({ do: 'seal', data, key, words })
  if (!('sealed' in outcome)) throw failure(outcome)
  return outcome.sealed
}

/** Rejects with BadFile. */
export async function opened(data: Blob, key: string): Promise<OpenedFile> {
  if (typeof Worker === 'undefined') return (await import('./file')).openFile(data, key)
  const outcome = await done({ do: 'open', data, key })
  if (!('opened' in outcome)) throw failure(outcome)
  return outcome.opened
}

function failure(outcome: Outcome): Error {
  if ('problem' in outcome) return new BadFile(outcome.problem)
  return new Error('error' in outcome ? outcome.error : 'no outcome')
}

async function done(task: Task): Promise<Outcome> {
  const { default: url } = await import('./file.worker?worker&url')
  const worker = new Worker(trustedWorker(url), { type: 'module' })
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Outcome>) => {
        resolve(data)
      }
      worker.onerror = (event) => {
        reject(new Error(event.message || 'the worker did not start'))
      }
      worker.postMessage(task)
    })
  } finally {
    worker.terminate()
  }
}
