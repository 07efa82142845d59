/** A search while typing: only the newest one runs, and results of the index are shown before all texts are read. */
import { isSought } from '../local/words'
import type { Address } from '../local/types'
import type { App } from '../sync/app'

/** Milliseconds without typing until the texts are read. */
const PAUSE = 150

export class Searching {
  /** Keys of messages, the newest first. */
  keys = $state.raw<string[]>([])
  /** There may be more results. */
  busy = $state(false)

  /** `wanted` runs again when the state that it reads changes. */
  constructor(app: Pick<App, 'search'>, wanted: () => { text: string; chat?: Address; limit: number }) {
    $effect(() => {
      const { text, chat, limit } = wanted()
      const ended = new AbortController()
      const show = (keys: string[]): void => {
        if (!ended.signal.aborted) this.keys = keys
      }
      const run = async (): Promise<void> => {
        try {
          show(await app.search(text, chat, limit, { signal: ended.signal, early: show }))
        } catch (error) {
          if (!ended.signal.aborted) console.error('the local storage could not be searched', error)
        } finally {
          if (!ended.signal.aborted) this.busy = false
        }
      }
      this.busy = isSought(text)
      if (!this.busy) this.keys = []
      const timer = this.busy ? setTimeout(() => void run(), PAUSE) : undefined
      return () => {
        clearTimeout(timer)
        ended.abort()
      }
    })
  }
}
