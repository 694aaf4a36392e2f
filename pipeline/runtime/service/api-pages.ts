import express, { Router } from 'express';
import { absolutePath } from 'swagger-ui-dist';

/** What Swagger UI is told; without it, it shows the example of its makers. */
const START = `window.onload = () => {
  SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });
};
`;

/** The OpenAPI document, and Swagger UI to read it and try it out. */
export function apiPages(document: unknown): Router {
  const pages = Router();
  pages.get('/openapi.json', (_request, response) => {
    response.json(document);
  });
  pages.get('/swagger-initializer.js', (_request, response) => {
    response.type('js').send(START);
  });
  pages.use(express.static(absolutePath(), { index: 'index.html', redirect: true }));
  return pages;
}
