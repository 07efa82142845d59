import type { Moment } from './types'

/**
 * The device's own clock, which may be wrong. It is only used for what nobody else dates, such as when a window was
 * last used, and until the server's is known. Everything else uses `App.now`.
 */
export function deviceTime(): Moment {
  return Date.now()
}
