/** A fact in the local storage: when a backup was last saved on this device, and its size. */
import type { Moment } from '../local/types'

export interface BackedUp {
  at: Moment
  /** In bytes. */
  size: number
}

export const BACKED_UP = 'backup.last'
