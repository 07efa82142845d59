/** The small picture that a message carries, as an object URL while it is on the screen. */
import { fromBase64 } from '../local/bytes'

/** `thumbnail`: base64, as the descriptor has it. */
export function thumbnailUrl(thumbnail: () => string | undefined): { readonly url: string | undefined } {
  // the same text is not decoded again when its message changes
  const text = $derived(thumbnail())
  let url = $state<string>()
  $effect(() => {
    if (text === undefined) return
    const made = URL.createObjectURL(new Blob([fromBase64(text)], { type: 'image/jpeg' }))
    url = made
    return () => {
      URL.revokeObjectURL(made)
      url = undefined
    }
  })
  return {
    get url() {
      return url
    }
  }
}
