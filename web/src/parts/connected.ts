/** For what only the server can do: just after a login, or a moment of no network, the connection is about to come. */
import type { App } from '../sync/app'

const PATIENCE = 12_000

/** Rejects if it does not come soon. */
export function connected(app: App): Promise<void> {
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
      failed(new Error('there is no connection'))
    }, PATIENCE)
    stop = app.live.subscribe(({ connection }) => {
      if (over || (connection !== 'online' && connection !== 'syncing')) return
      end()
      done()
    })
    if (over) stop()
  })
}
