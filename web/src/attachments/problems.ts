/** What is said when a file can't be shown. */
import type { Key } from '../strings/texts'
import type { Problem } from './file-load.svelte'

export const PROBLEMS: Record<Problem, Key> = {
  gone: 'media.ask',
  lost: 'media.lost',
  wrong: 'media.wrong'
}
