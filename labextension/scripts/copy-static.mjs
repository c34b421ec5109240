// Copies Swagger UI and ReDoc, with their licences, into the server's static folder:
// the API's documentation is served from the wheel, without a CDN.
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const target = join(dirname(fileURLToPath(import.meta.url)), '../../alphintra_lab/api/static');
const swagger = dirname(require.resolve('swagger-ui-dist/package.json'));
const redoc = dirname(require.resolve('redoc/package.json'));

mkdirSync(target, { recursive: true });
for (const [from, to] of [
  [join(swagger, 'swagger-ui.css'), 'swagger-ui.css'],
  [join(swagger, 'swagger-ui-bundle.js'), 'swagger-ui-bundle.js'],
  [join(swagger, 'LICENSE'), 'swagger-ui.LICENSE'],
  [join(swagger, 'NOTICE'), 'swagger-ui.NOTICE'],
  [join(swagger, 'swagger-ui-bundle.js.LICENSE.txt'), 'swagger-ui-bundle.js.LICENSE.txt'],
  [join(redoc, 'bundles/redoc.standalone.js'), 'redoc.standalone.js'],
  [join(redoc, 'bundles/redoc.standalone.js.LICENSE.txt'), 'redoc.standalone.js.LICENSE.txt'],
  [join(redoc, 'LICENSE'), 'redoc.LICENSE']
]) {
  copyFileSync(from, join(target, to));
}
