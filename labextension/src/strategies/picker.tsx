import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import React, { useState } from 'react';

import { messageOf } from '../api/client';
import type { Strategy, StrategyTemplate } from '../api/schemas';
import type { Lab } from '../lab';
import { BLANK, inOrder, thumbnailUrl } from './templates';

type Choice = { template: string; name: string };

/** Ask for a template and a name; null when it was called off. */
export async function pickTemplate(lab: Lab): Promise<Strategy | null> {
  if (!lab.templates.ready) {
    await lab.templates.refresh();
  }
  const body = new Picker(inOrder(lab.templates.items));
  for (;;) {
    const { button, value } = await showDialog<Choice>({
      title: 'New strategy',
      body,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Create' })],
      focusNodeSelector: 'input[name="name"]'
    });
    if (!button.accept || !value) {
      return null;
    }
    try {
      return await lab.client.createStrategy(value.name, value.template);
    } catch (error) {
      // The name is taken or cannot be used: say so, and ask again.
      body.complain(messageOf(error));
    }
  }
}

/** Create a strategy without asking: a taken name gets the next free number. */
export async function createNamed(lab: Lab, template: StrategyTemplate): Promise<Strategy> {
  const taken = new Set(lab.strategies.items.map(strategy => strategy.name.toLowerCase()));
  let name = template.class_name;
  for (let n = 2; taken.has(name.toLowerCase()); n++) {
    name = `${template.class_name}${n}`;
  }
  return lab.client.createStrategy(name, template.id);
}

class Picker extends ReactWidget implements Dialog.IBodyWidget<Choice> {
  constructor(private templates: StrategyTemplate[]) {
    super();
    this.addClass('alp-Picker');
    this._choice = {
      template: templates[0]?.id ?? BLANK,
      name: templates[0]?.class_name ?? 'MyStrategy'
    };
  }

  complain(error: string): void {
    this._error = error;
    this.update();
  }

  getValue(): Choice {
    return this._choice;
  }

  protected render(): JSX.Element {
    return (
      <PickerBody
        templates={this.templates}
        choice={this._choice}
        error={this._error}
        onChange={choice => (this._choice = choice)}
      />
    );
  }

  private _choice: Choice;
  private _error: string | null = null;
}

function PickerBody(props: {
  templates: StrategyTemplate[];
  choice: Choice;
  error: string | null;
  onChange: (choice: Choice) => void;
}): JSX.Element {
  const [choice, setChoice] = useState(props.choice);
  const change = (next: Choice) => {
    setChoice(next);
    props.onChange(next);
  };
  const pick = (template: StrategyTemplate) => {
    // A name that was typed stays; one that came with a template goes with it.
    const own = props.templates.every(item => item.class_name !== choice.name);
    change({ template: template.id, name: own ? choice.name : template.class_name });
  };
  return (
    <>
      <label className="alp-Picker-name">
        Name
        <input
          name="name"
          value={choice.name}
          onChange={event => change({ ...choice, name: event.target.value })}
        />
      </label>
      {props.error !== null && (
        <p className="alp-Form-fault" role="alert">
          {props.error}
        </p>
      )}
      <div className="alp-Picker-templates" role="radiogroup" aria-label="Template">
        {props.templates.map(template => (
          <label key={template.id} className="alp-Template">
            <input
              type="radio"
              name="template"
              value={template.id}
              checked={choice.template === template.id}
              onChange={() => pick(template)}
            />
            <img src={thumbnailUrl(template.thumbnail)} alt="" />
            <strong>{template.title}</strong>
            <small>{template.summary || template.subtitle}</small>
          </label>
        ))}
      </div>
    </>
  );
}
