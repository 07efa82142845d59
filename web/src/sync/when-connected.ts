/**
 * Waits briefly for the connection, for operations that need the server. Just after a login or a short outage, it is
 * about to come.
 */
import type { Live, Readable } from './app'
import { Lost, NotConnected } from '../xmpp/errors'

const PATIENCE_MS = 12_000
const PAUSE_MS = 200

/**
 * Runs `work` as soon as there is a connection, and again if that is lost before there is a result, so it must be
 * repeatable. Rejects with NotConnected when it could not be done for too long, or as `work` does.
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
