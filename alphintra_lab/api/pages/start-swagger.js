// Jupyter refuses a change that does not repeat its cookie in a header.
const xsrf = () => (/(?:^|; )_xsrf=([^;]*)/.exec(document.cookie) ?? [])[1];

SwaggerUIBundle({
  dom_id: '#swagger',
  url: document.getElementById('swagger').dataset.url,
  requestInterceptor: request => {
    const token = xsrf();
    if (token) {
      request.headers['X-XSRFToken'] = token;
    }
    return request;
  }
});
