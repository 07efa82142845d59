/** Makes a profile picture: square, small, and without metadata such as the location. */
/** The width and height, in pixels. */
const SIDE = 384

/** Crops and scales a picture; undefined if the browser can't read the file as a picture. */
export async function square(file: Blob): Promise<Blob | undefined> {
  try {
    const picture = await createImageBitmap(file)
    const side = Math.min(picture.width, picture.height)
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = SIDE
    const context = canvas.getContext('2d')
    if (!context) return undefined
    context.fillStyle = '#fff'
    context.fillRect(0, 0, SIDE, SIDE)
    context.drawImage(
      picture,
      (picture.width - side) / 2,
      (picture.height - side) / 2,
      side,
      side,
      0,
      0,
      SIDE,
      SIDE
    )
    picture.close()
    return await new Promise((done) => {
      canvas.toBlob(
        (blob) => {
          done(blob ?? undefined)
        },
        'image/jpeg',
        0.85
      )
    })
  } catch {
    return undefined
  }
}
