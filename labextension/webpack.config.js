// Bokeh's models set fields in `initialize`, which runs inside their base class' constructor. As
// published, the classes declare those fields without a value, and a browser then sets them to
// undefined again. Read as TypeScript with its older field semantics, such declarations vanish,
// as they do in Bokeh's own bundles.
module.exports = {
  module: {
    rules: [
      {
        test: /@bokeh[\\/]bokehjs[\\/]build[\\/]js[\\/]lib[\\/].*\.js$/,
        type: 'javascript/auto',
        loader: 'builtin:swc-loader',
        options: {
          jsc: {
            parser: { syntax: 'typescript' },
            target: 'es2022',
            transform: { useDefineForClassFields: false }
          }
        }
      },
      {
        // Loaded by the frames of outputs, each as it is.
        test: /[\\/](bokeh\.min|plotly-strict\.min|output-frame)\.js$/,
        type: 'asset/resource',
        generator: { filename: '[name].[contenthash].js' }
      }
    ]
  }
};
