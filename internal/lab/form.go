package lab

import "context"

func (l *Lab) form(ctx context.Context) error { return ctx.Err() }
