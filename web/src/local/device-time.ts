import type { Moment } from './types'

/**
 * The device's own clock, which may be wrong: only for what nobody else dates, as when a window was last used, and until the
 * server's is known. All else goes by `App.now`.
 */
export function deviceTime(): Moment {
  return Date.now()
}
