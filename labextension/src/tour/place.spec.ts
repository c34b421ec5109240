import { placeBeside } from './place';

const room = { width: 1000, height: 600 };
const card = { width: 300, height: 150 };

describe('placeBeside', () => {
  it('is below the target, or above it near the lower edge', () => {
    const button = { left: 100, top: 50, width: 80, height: 20 };
    expect(placeBeside(button, card, room)).toEqual({ left: 100, top: 82 });
    expect(placeBeside({ ...button, top: 560 }, card, room)).toEqual({ left: 100, top: 398 });
  });

  it('is at the right of a panel that is as high as the window, or at its left', () => {
    const panel = { left: 40, top: 30, width: 300, height: 560 };
    expect(placeBeside(panel, card, room)).toEqual({ left: 352, top: 30 });
    expect(placeBeside({ ...panel, left: 700 }, card, room)).toEqual({ left: 388, top: 30 });
  });

  it('stays on the screen, also without a target', () => {
    const wide = { left: 950, top: 10, width: 45, height: 20 };
    expect(placeBeside(wide, card, room)).toEqual({ left: 688, top: 42 });
    const whole = { left: 0, top: 0, ...room };
    expect(placeBeside(whole, card, room)).toEqual({ left: 688, top: 438 });
    expect(placeBeside(null, card, room)).toEqual({ left: 350, top: 225 });
  });
});
