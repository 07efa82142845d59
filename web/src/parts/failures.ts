import { Lost, NotConnected } from '../sync/app'

/** A message or chat that can't be drawn, whoever is to blame for what is stored: the others are drawn all the same. */
export function reportRenderError(error: unknown): void {
  console.error('not drawn', error)
}

const QUIET = ['AbortError', 'DatabaseClosedError']
const PAUSE_MS = 30_000

/**
 * What failed without anybody waiting for it is logged, and said to the person once in a while; not what ends with a
 * log-out or a lost connection. Returns how to stop.
 */
export function watchFailures(tell: () => void, on: EventTarget = globalThis): () => void {
  let told = -Infinity
  const failed = (event: Event): void => {
    const { reason } = event as PromiseRejectionEvent
    event.preventDefault()
    console.error('nobody has waited for what failed', reason)
    if (isQuiet(reason)) return
    const now = performance.now()
    if (now - told < PAUSE_MS) return
    told = now
    tell()
  }
  on.addEventListener('unhandledrejection', failed)
  return () => {
    on.removeEventListener('unhandledrejection', failed)
  }
}

function isQuiet(reason: unknown): boolean {
  if (reason instanceof NotConnected || reason instanceof Lost) return true
  return reason instanceof Error && QUIET.includes(reason.name)
}
