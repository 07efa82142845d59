/** A file of a message that is on the screen: whether it is on this device, and its download. */
import { fileOf, type Media } from '../local/media'
import { imageHeader } from '../local/image-header'
import { type App, DownloadFailed, NotAuthentic, NotHere } from '../sync/app'
import { NoPicture } from '../media/no-picture'
import { Forged } from '../media/segments'
import { acquire, release, reuse } from './urls'

/** `gone`: the server has it no more; `lost`: no connection; `wrong`: it is not what was described. */
export type Problem = 'gone' | 'lost' | 'wrong'

export class FileLoad {
  state = $state<'unknown' | 'absent' | 'loading' | 'here'>('unknown')
  /** From 0 to 1. */
  progress = $state(0)
  /** An object URL of a picture; empty: it is not here, or not a picture that can be drawn. */
  url = $state('')
  problem = $state<Problem>()
  private control: AbortController | undefined
  private held: string | undefined
  private left = false

  /** `draws`: the file is a picture, which is only shown if it is one indeed; `small`: a small copy of it is enough. */
  constructor(
    private readonly app: App,
    private readonly key: string,
    private readonly media: () => Media,
    private readonly draws: false | 'whole' | 'small'
  ) {}

  /** Looks whether it is here; `automatic`: if not, it is loaded. */
  async look(automatic: boolean): Promise<void> {
    if (this.state !== 'unknown') return
    const name = this.name()
    const url = name === undefined ? undefined : reuse(name)
    if (name !== undefined && url !== undefined) {
      this.held = name
      this.url = url
      this.state = 'here'
      return
    }
    try {
      if (this.draws === 'small') await this.showSmall()
      else await this.show(await this.app.file(this.key, { here: true }))
    } catch (error) {
      if (!(error instanceof NotHere)) throw error
      this.state = 'absent'
      if (automatic) await this.load()
    }
  }

  /** Returns the file, if it could be loaded. */
  async load(): Promise<Blob | undefined> {
    if (this.state === 'loading') return undefined
    const control = new AbortController()
    this.control = control
    this.problem = undefined
    if (this.state !== 'here') this.state = 'loading'
    this.progress = 0
    try {
      const data = await this.app.file(this.key, {
        signal: control.signal,
        progress: (received, size) => {
          this.progress = size ? received / size : 0
        }
      })
      if (this.draws === 'small') await this.showSmall()
      else await this.show(data)
      return data
    } catch (error) {
      this.state = 'absent'
      if (!control.signal.aborted) this.problem = problemOf(error)
      return undefined
    } finally {
      this.control = undefined
    }
  }

  cancel(): void {
    this.control?.abort(new Error('cancelled'))
  }

  /** It is not on the screen any more. A download goes on. */
  leave(): void {
    this.left = true
    if (this.held !== undefined) release(this.held)
    this.held = undefined
  }

  /** Of the object URL. */
  private name(): string | undefined {
    const id = fileOf(this.media())
    return id !== undefined && this.draws === 'small' ? `small ${id}` : id
  }

  private async showSmall(): Promise<void> {
    const id = fileOf(this.media())
    try {
      if (id === undefined) throw new NotHere()
      this.draw(await this.app.smallPicture(id))
    } catch (error) {
      if (!(error instanceof NoPicture)) throw error
      this.problem = 'wrong'
    }
    this.state = 'here'
  }

  private async show(data: Blob): Promise<void> {
    if (this.draws) {
      // The type is that of the bytes: whatever somebody says of it, nothing else is drawn
      const header = await imageHeader(data)
      if (header) this.draw(data.slice(0, data.size, header.type))
      else this.problem = 'wrong'
    }
    this.state = 'here'
  }

  private draw(picture: Blob): void {
    const name = this.name()
    if (name === undefined || this.left || this.held !== undefined) return
    this.url = acquire(name, picture)
    this.held = name
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof NotAuthentic || error instanceof Forged) return 'wrong'
  if (error instanceof DownloadFailed) return error.reason === 'refused' ? 'wrong' : error.reason
  return 'lost'
}
