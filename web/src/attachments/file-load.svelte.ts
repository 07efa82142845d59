/** A file of a message that is on the screen: whether it is on this device, and its download. */
import { fileOf, type Media } from '../local/media'
import { imageHeader } from '../local/image-header'
import { type App, DownloadFailed, NotAuthentic, NotHere } from '../sync/app'
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

  /** `draws`: the file is a picture, which is only shown if it is one indeed. */
  constructor(
    private readonly app: App,
    private readonly key: string,
    private readonly media: () => Media,
    private readonly draws: boolean
  ) {}

  /** Looks whether it is here; `automatic`: if not, it is loaded. */
  async look(automatic: boolean): Promise<void> {
    if (this.state !== 'unknown') return
    const id = fileOf(this.media())
    const url = id === undefined ? undefined : reuse(id)
    if (id !== undefined && url !== undefined) {
      this.held = id
      this.url = url
      this.state = 'here'
      return
    }
    try {
      await this.show(await this.app.file(this.key, { here: true }))
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
      await this.show(data)
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

  private async show(data: Blob): Promise<void> {
    const id = fileOf(this.media())
    if (this.draws && id !== undefined) {
      // The type is that of the bytes: whatever somebody says of it, nothing else is drawn
      const header = await imageHeader(data)
      if (!header) this.problem = 'wrong'
      else if (!this.left && this.held === undefined) {
        this.url = acquire(id, data.slice(0, data.size, header.type))
        this.held = id
      }
    }
    this.state = 'here'
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof NotAuthentic || error instanceof Forged) return 'wrong'
  if (error instanceof DownloadFailed) return error.reason === 'refused' ? 'wrong' : error.reason
  return 'lost'
}
