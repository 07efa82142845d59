/** Put in by the build (`build/about.ts`). */
declare const __KITH_VERSION__: string
declare const __KITH_SOURCE__: string
