import { Lost, NotConnected } from '../sync/app'

/** Reports a message or chat that could not be drawn. The others are drawn all the same. */
export function reportRenderError(error: unknown): void {
  console.error('not drawn', error)
}

const QUIET = ['AbortError', 'DatabaseClosedError']
const PAUSE_MS = 30_000

/**
 * Logs errors of promises that nobody handles, and shows a toast once in a while, except for errors after a log-out or
 * a lost connection. Returns a function that stops it.
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
