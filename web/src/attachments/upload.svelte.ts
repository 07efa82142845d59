/** The upload of a message of the user, while it waits. */
import { fileOf, lacksUpload } from '../local/media'
import type { Upload } from '../local/file-types'
import type { Message } from '../local/types'
import { query } from '../parts/query.svelte'
import type { App } from '../sync/app'

export interface Uploading {
  /** From 0 to 1; undefined: nothing is being uploaded. */
  readonly progress: number | undefined
  stop: () => void
}

export function uploading(app: App, message: () => Message): Uploading {
  const id = $derived.by(() => {
    const { mine, progress, media } = message()
    return mine && progress === 'waiting' && media && lacksUpload(media) ? fileOf(media) : undefined
  })
  const rows = query<Upload[]>(() => {
    const wanted = id
    return () => (wanted === undefined ? [] : app.db.uploads.where('id').equals(wanted).toArray())
  }, [])
  return {
    get progress() {
      if (id === undefined) return undefined
      const size = rows.value.reduce((sum, row) => sum + row.size, 0)
      return size ? rows.value.reduce((sum, row) => sum + row.sent, 0) / size : 0
    },
    stop: () => void app.stopUpload(message().key)
  }
}
