/**
 * Waits briefly for the connection, for operations that need the server. Just after a login or a short outage it is
 * about to come.
 */
import type { Live, Readable } from './app'
import { Lost, NotConnected } from '../xmpp/errors'

const PATIENCE_MS = 12_000
const PAUSE_MS = 200

/**
 * Does it as soon as there is a connection, and again if that goes before there is an answer; so it has to be something
 * that may be done twice. Rejects with NotConnected when too long nothing could be done, or with what the work rejects with.
 */
export async function whenConnected<T>(
  live: Readable<Live>,
  work: () => Promise<T>,
  patience = PATIENCE_MS
): Promise<T> {
  const end = performance.now() + patience
  for (;;) {
    await reached(live, end - performance.now())
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Lost || error instanceof NotConnected)) throw error
      if (performance.now() >= end) throw new NotConnected()
      await new Promise((done) => setTimeout(done, PAUSE_MS))
    }
  }
}

function reached(live: Readable<Live>, patience: number): Promise<void> {
  return new Promise((done, failed) => {
    let stop: () => void = () => undefined
    let over = false
    const end = (): void => {
      over = true
      clearTimeout(timer)
      stop()
    }
    const timer = setTimeout(() => {
      end()
      failed(new NotConnected())
    }, patience)
    stop = live.subscribe(({ connection }) => {
      if (over || (connection !== 'online' && connection !== 'syncing')) return
      end()
      done()
    })
    if (over) stop()
  })
}
