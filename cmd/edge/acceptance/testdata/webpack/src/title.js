export const title = 'webpack'
