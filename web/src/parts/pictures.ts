/** Object URLs of pictures in the local storage, created once each. */
import type { Picture } from '../local/types'

const urls = new Map<string, string>()
const MAX_PICTURES = 500

export function pictureUrl(picture: Picture): string {
  let url = urls.get(picture.hash)
  if (url === undefined) {
    const oldest = urls.size >= MAX_PICTURES ? urls.entries().next().value : undefined
    if (oldest !== undefined) {
      urls.delete(oldest[0])
      URL.revokeObjectURL(oldest[1])
    }
    url = URL.createObjectURL(picture.data)
    urls.set(picture.hash, url)
  }
  return url
}
