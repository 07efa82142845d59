/** The files that somebody has chosen for a chat, with what is changed in them, until they are sent or discarded. */
import { toasts } from '../../parts/toasts.svelte'
import { t } from '../../strings/strings.svelte'
import type { MediaItem } from '../../sync/app'
import { Draft, MOST_FILES, type SendQuality } from './drafts.svelte'

export class Selection {
  drafts = $state.raw<readonly Draft[]>([])
  /** The place of the one that is looked at. */
  at = $state(0)
  quality = $state<SendQuality>('standard')
  /** They can be viewed once. */
  once = $state(false)
  readonly shown = $derived(this.drafts[this.at])
  /** What is shown together, as an album. */
  readonly pictures = $derived(this.drafts.filter(({ kind }) => kind === 'picture' || kind === 'video'))
  /** The video that is being encoded. */
  readonly encoding = $derived(this.drafts.find(({ video }) => video?.progress !== undefined)?.video)

  /** Whether somebody has done more than choosing one file. */
  get worthKeeping(): boolean {
    return this.drafts.length > 1 || this.drafts.some((draft) => draft.changed)
  }

  /** Adds files, as many as can be sent at once. `words`: the caption of the first. */
  async take(files: readonly File[], asDocuments: boolean, words = ''): Promise<void> {
    if (this.drafts.length + files.length > MOST_FILES) toasts.show(t('send.most', { count: MOST_FILES }))
    const room = files.slice(0, Math.max(0, MOST_FILES - this.drafts.length))
    const made = await Promise.all(room.map((file) => Draft.of(file, asDocuments)))
    if (made[0] && words) made[0].caption = words
    this.at = this.drafts.length && made.length ? this.drafts.length : this.at
    this.drafts = [...this.drafts, ...made]
  }

  remove(draft: Draft): void {
    draft.end()
    this.drafts = this.drafts.filter((one) => one !== draft)
    this.at = Math.max(0, Math.min(this.at, this.drafts.length - 1))
  }

  /** What is sent. Rejects with an AbortError if the encoding of a video was cancelled. */
  async items(): Promise<MediaItem[]> {
    const album = this.pictures.length > 1 && !this.once ? { album: crypto.randomUUID() } : {}
    const common = { ...album, ...(this.once && { once: true as const }) }
    const items: MediaItem[] = []
    for (const draft of this.drafts) items.push(await draft.item(this.quality, common))
    return items
  }

  /** It is not on the screen any more, and may be again. */
  pause(): void {
    for (const { video } of this.drafts) video?.cancel()
  }

  end(): void {
    for (const draft of this.drafts) draft.end()
  }
}
