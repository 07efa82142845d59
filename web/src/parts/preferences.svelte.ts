/** Settings of this browser. They are not secret, and deleted by log-out. */
import { recall, remember } from '../local/browser-storage'

const read = (name: string): string | null => recall(`kith.${name}`)
const write = (name: string, value: string): void => {
  remember(`kith.${name}`, value)
}

export type Theme = 'system' | 'light' | 'dark'

export const TEXT_SIZES = ['small', 'normal', 'large', 'huge'] as const
export type TextSize = (typeof TEXT_SIZES)[number]
export const WALLPAPERS = ['dots', 'plain', 'sea', 'leaf', 'sand', 'rose', 'violet', 'night'] as const
export type Wallpaper = (typeof WALLPAPERS)[number]

/** Stored values may be from another version. */
function oneOf<T extends string>(all: readonly T[], value: string | null, otherwise: T): T {
  return all.find((one) => one === value) ?? otherwise
}

class Preferences {
  #textSize = $state<TextSize>(oneOf(TEXT_SIZES, read('text-size'), 'normal'))
  #wallpaper = $state<Wallpaper>(oneOf(WALLPAPERS, read('wallpaper'), 'dots'))
  #theme = $state<Theme>((read('theme') as Theme | null) ?? 'system')
  #notify = $state(read('notify') === 'on')
  #previews = $state(read('previews') !== 'off')
  #enterSends = $state(
    (read('enter') ?? (matchMedia('(pointer: coarse)').matches ? 'line' : 'send')) === 'send'
  )
  #emoticons = $state(read('emoticons') !== 'off')
  readonly #dark = matchMedia('(prefers-color-scheme: dark)')

  constructor() {
    this.#dark.addEventListener('change', () => {
      this.show()
    })
  }

  /** Applies the theme, the wallpaper and the text size to the page. */
  show(): void {
    const dark = this.#theme === 'dark' || (this.#theme === 'system' && this.#dark.matches)
    document.documentElement.dataset.theme = dark ? 'dark' : 'light'
    document.documentElement.dataset.text = this.#textSize
    document.documentElement.dataset.wallpaper = this.#wallpaper
    document.querySelector('meta[name=theme-color]')?.setAttribute('content', dark ? '#141c1f' : '#ffffff')
  }

  get theme(): Theme {
    return this.#theme
  }

  set theme(theme: Theme) {
    this.#theme = theme
    write('theme', theme)
    this.show()
  }

  get notify(): boolean {
    return this.#notify
  }

  set notify(on: boolean) {
    this.#notify = on
    write('notify', on ? 'on' : 'off')
  }

  get previews(): boolean {
    return this.#previews
  }

  set previews(on: boolean) {
    this.#previews = on
    write('previews', on ? 'on' : 'off')
  }

  /** Enter sends, and Shift+Enter starts a new line; otherwise Enter starts a new line, and Ctrl+Enter sends. */
  get enterSends(): boolean {
    return this.#enterSends
  }

  set enterSends(on: boolean) {
    this.#enterSends = on
    write('enter', on ? 'send' : 'line')
  }

  /** Replaces `:)` by an emoji while typing. */
  get emoticons(): boolean {
    return this.#emoticons
  }

  set emoticons(on: boolean) {
    this.#emoticons = on
    write('emoticons', on ? 'on' : 'off')
  }

  get textSize(): TextSize {
    return this.#textSize
  }

  set textSize(size: TextSize) {
    this.#textSize = size
    write('text-size', size)
    this.show()
  }

  get wallpaper(): Wallpaper {
    return this.#wallpaper
  }

  set wallpaper(wallpaper: Wallpaper) {
    this.#wallpaper = wallpaper
    write('wallpaper', wallpaper)
    this.show()
  }
}

export const preferences = new Preferences()
