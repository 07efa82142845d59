/** When a backup was last saved on this device: a fact in the local storage. */
import type { Moment } from '../local/types'

export interface BackedUp {
  at: Moment
  /** Bytes. */
  size: number
}

export const BACKED_UP = 'backup.last'
