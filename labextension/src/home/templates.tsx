import { addIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { StrategyTemplate } from '../api/schemas';
import { Command } from '../commands';
import { Loading, Trouble } from '../components/parts';
import type { Lab } from '../lab';
import { BLANK, inOrder, thumbnailUrl } from '../strategies/templates';
import type { Run } from './panel';

/** The templates as cards. */
export function Templates(props: {
  lab: Lab;
  run: Run;
  title: string;
  children: string;
}): JSX.Element {
  const { lab, run } = props;
  const { templates } = lab;
  return (
    <section>
      <h2>
        {props.title} <small>{props.children}</small>
      </h2>
      {lab.failureOf(templates) !== null && (
        <Trouble title="The templates could not be read." text={lab.failureOf(templates)} />
      )}
      {!templates.ready && templates.error === null && <Loading lines={2} />}
      <div className="alp-Home-templates">
        {inOrder(templates.items).map(template => (
          <TemplateCard key={template.id} template={template} run={run} />
        ))}
      </div>
    </section>
  );
}

function TemplateCard({ template, run }: { template: StrategyTemplate; run: Run }): JSX.Element {
  return (
    <button
      type="button"
      className={template.id === BLANK ? 'alp-Template alp-mod-blank' : 'alp-Template'}
      title={template.summary}
      data-template={template.id}
      onClick={() => run(Command.newStrategy, { template: template.id })}
    >
      {template.id === BLANK ? (
        <>
          <addIcon.react tag="span" width="20px" />
          {template.title}
        </>
      ) : (
        <>
          <img src={thumbnailUrl(template.thumbnail)} alt="" />
          <strong>{template.title}</strong>
          <small>{template.subtitle}</small>
        </>
      )}
    </button>
  );
}
