/** Runs work on files in one worker (`files.worker.ts`), which ends when it was idle for a while. */
import { trustedWorker } from '../local/worker'
import { NotAuthentic } from './cipher'
import type { Answer, Results, Task } from './files.worker'
import { NoPicture } from './no-picture'

const IDLE_MS = 20_000

interface Waiting {
  done(result: unknown): void
  failed(error: Error): void
}

let worker: Promise<Worker> | undefined
let idle: ReturnType<typeof setTimeout> | undefined
let count = 0
const waiting = new Map<number, Waiting>()

/** Rejects with NotAuthentic, or with whatever went wrong. */
export async function inWorker<T extends Task>(task: T): Promise<Results[T['do']]> {
  if (typeof Worker === 'undefined') {
    return (await (await import('./files.worker')).perform(task)) as Results[T['do']]
  }
  clearTimeout(idle)
  const id = ++count
  const result = new Promise<unknown>((done, failed) => {
    waiting.set(id, { done, failed })
  })
  try {
    worker ??= start()
    ;(await worker).postMessage({ id, task })
    return (await result) as Results[T['do']]
  } finally {
    waiting.delete(id)
    if (!waiting.size) idle = setTimeout(() => end(new Error('idle')), IDLE_MS)
  }
}

async function start(): Promise<Worker> {
  try {
    const { default: url } = await import('./files.worker?worker&url')
    const started = new Worker(trustedWorker(url), { type: 'module' })
    started.onmessage = ({ data }: MessageEvent<Answer>) => {
      const asked = waiting.get(data.id)
      if ('result' in data) asked?.done(data.result)
      else asked?.failed(errorOf(data.is, data.error))
    }
    // It did not start, or it has run out of memory: the next task gets a new one
    started.onerror = (event) => end(new Error(event.message || 'the worker has failed'))
    return started
  } catch (error) {
    worker = undefined
    throw error
  }
}

function errorOf(is: 'forged' | 'no-picture' | undefined, text: string): Error {
  if (is === 'forged') return new NotAuthentic()
  return is === 'no-picture' ? new NoPicture() : new Error(text)
}

function end(reason: Error): void {
  const ended = worker
  worker = undefined
  for (const one of waiting.values()) one.failed(reason)
  void ended?.then((one) => {
    one.terminate()
  })
}
