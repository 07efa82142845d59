/**
 * Work on sound and video in a worker of its own, which loads the library for containers: nothing of it is in the page.
 * A task is cancelled by ending its worker.
 */
import { trustedWorker } from '../local/worker'
import type { Answer, MediaTasks, Outcomes } from './media.worker'

/** The file has no form that this browser can handle. */
export class Unusable extends Error {}

export interface Running<T> {
  done: Promise<T>
  /** Then `done` rejects with an AbortError. */
  cancel(): void
}

/** `progress`: from 0 to 1. */
export function run<K extends keyof Outcomes>(
  task: { do: K } & MediaTasks[K],
  progress?: (part: number) => void
): Running<Outcomes[K]> {
  let end: (reason: Error) => void = () => undefined
  let worker: Worker | undefined
  let over = false
  const done = new Promise<Outcomes[K]>((resolve, reject) => {
    end = (reason) => {
      over = true
      worker?.terminate()
      reject(reason)
    }
    void import('./media.worker?worker&url').then(({ default: url }) => {
      if (over) return
      worker = new Worker(trustedWorker(url), { type: 'module' })
      worker.onmessage = ({ data }: MessageEvent<Answer>) => {
        if ('progress' in data) progress?.(data.progress)
        else if ('unusable' in data) end(new Unusable(data.unusable))
        else if ('error' in data) end(new Error(data.error))
        else {
          over = true
          worker?.terminate()
          resolve(data.outcome as Outcomes[K])
        }
      }
      worker.onerror = (event) => {
        end(new Error(event.message || 'the worker did not start'))
      }
      worker.postMessage(task)
    }, end)
  })
  return {
    done,
    cancel() {
      end(new DOMException('cancelled', 'AbortError'))
    }
  }
}
