package control

import (
	"context"
	v1 "redoubt/api/v1"
	"redoubt/internal/fault"
)

func (c *Control) SchaResourceGetCall(ctx context.Context, who Caller, in v1.SchaResourceGetCall) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaResourcegroupGetCall(ctx context.Context, who Caller, in v1.SchaResourcegroupGetCall) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaResourcetypeGetCall(ctx context.Context, who Caller, in v1.SchaResourcetypeGetCall) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaClusterGetCall(ctx context.Context, who Caller, in v1.SchaClusterGetCall) ([]string, error) {
	var out []string
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaControlCall(ctx context.Context, who Caller, in v1.SchaControlCall) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}

func (c *Control) SchaResourceSetstatusCall(ctx context.Context, who Caller, in v1.SchaResourceSetstatusCall) (v1.Result, error) {
	var out v1.Result
	return out, fault.Errorf(fault.Unsupported, "not yet")
}
