/** Files that were chosen to be sent, with what is changed in them before. */
import { kindOfType, type Media, typeOfName } from '../../local/media'
import { cleanFileName } from '../../local/file-names'
import { imageHeader } from '../../local/image-header'
import { NoPicture } from '../../media/no-picture'
import type { PictureEdit } from '../../media/picture-edit'
import type { Prepared, Quality } from '../../media/pictures'
import { inWorker } from '../../media/worker'
import type { MediaItem } from '../../sync/app'
import { VideoDraft } from '../video/video-draft.svelte'

/** `original`: as a document, unchanged. */
export type SendQuality = Quality | 'original'

/** How many files are sent at once. */
export const MOST_FILES = 100

let count = 0

export class Draft {
  readonly id = ++count
  readonly type: string
  /** Shown and sent: without what would mislead those who get it. */
  readonly name: string
  kind = $state<'picture' | 'video' | 'audio' | 'file'>('file')
  caption = $state('')
  edit = $state.raw<PictureEdit>({ turn: 0, strokes: [] })
  /** It looks like a picture, but this browser can't open it, so it goes as a document. */
  unreadable = $state(false)
  /** A picture as it is sent in the standard quality, unchanged: enough for the screen. Empty: it is not ready yet. */
  url = $state('')
  video: VideoDraft | undefined
  private ended = false
  private plain: Promise<Prepared> | undefined
  private ready: { of: string; made: Promise<Prepared> } | undefined

  private constructor(readonly file: File) {
    this.name = cleanFileName(file.name)
    this.type = file.type || typeOfName(this.name)
  }

  static async of(file: File, asDocument: boolean): Promise<Draft> {
    const draft = new Draft(file)
    const kind = kindOfType(draft.type)
    if (asDocument || kind === 'file') return draft
    if (kind !== 'picture') {
      draft.kind = kind
      if (kind === 'video') draft.video = new VideoDraft(file)
      return draft
    }
    const header = await imageHeader(file)
    if (!header) {
      draft.unreadable = true
      return draft
    }
    draft.kind = 'picture'
    void draft.look()
    return draft
  }

  /** Whether somebody has written, drawn, cut or turned something. */
  get changed(): boolean {
    const { turn, crop, strokes } = this.edit
    return this.caption.trim() !== '' || turn !== 0 || !!crop || !!strokes.length || !!this.video?.changed
  }

  end(): void {
    this.ended = true
    if (this.url) URL.revokeObjectURL(this.url)
    this.video?.end()
  }

  /** A picture is decoded once: what is shown is what is most probably sent. */
  private async look(): Promise<void> {
    try {
      this.plain = inWorker({ do: 'picture', data: this.file, quality: 'standard' })
      const { data } = await this.plain
      if (!this.ended) this.url = URL.createObjectURL(data)
    } catch (error) {
      console.debug('a picture that can not be opened', error)
      this.kind = 'file'
      this.unreadable = true
    }
  }

  /** What is sent. */
  async item(quality: SendQuality, common: Pick<Media, 'album' | 'once'>): Promise<MediaItem> {
    const { file, name, type, kind } = this
    const caption = this.caption.trim()
    const named = { ...(name && { name }), ...(type && { type }) }
    if (kind === 'picture' && quality !== 'original') {
      try {
        const { data, small, ...look } = await this.prepared(quality)
        const media: Media = { kind, ...look, ...common, name: pictureName(name, look.type) }
        return { media, caption, data, ...(small && { small }) }
      } catch (error) {
        if (!(error instanceof NoPicture)) throw error
      }
    }
    const video = quality === 'original' ? undefined : await this.video?.item(common, caption)
    if (video) return video
    return { media: { kind: kind === 'audio' ? 'audio' : 'file', ...named }, caption, data: file }
  }

  private prepared(quality: Quality): Promise<Prepared> {
    const { turn, crop, strokes } = this.edit
    if (this.plain && quality === 'standard' && !turn && !crop && !strokes.length) return this.plain
    const of = JSON.stringify([quality, this.edit])
    if (this.ready?.of !== of) {
      const made = inWorker({ do: 'picture', data: this.file, quality, edit: this.edit })
      this.ready = { of, made }
    }
    return this.ready.made
  }
}

/** Pictures are sent as JPEG, whatever they were. */
function pictureName(name: string, type: string): string {
  const stem = name.replace(/\.[^.]*$/, '') || 'picture'
  return type === 'image/jpeg' ? `${stem}.jpg` : name
}
