/** Tells the other person that the user is typing (XEP-0085), and when they stop. */
const QUIET_MS = 4000

export class TypingNotice {
  private typing = false
  private quiet: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly tell: (on: boolean) => void) {}

  set(on: boolean): void {
    if (this.typing !== on) this.tell(on)
    this.typing = on
    clearTimeout(this.quiet)
    if (on) {
      this.quiet = setTimeout(() => {
        this.set(false)
      }, QUIET_MS)
    }
  }
}
