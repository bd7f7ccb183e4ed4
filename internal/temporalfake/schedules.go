package temporalfake

import (
	"context"
	"maps"

	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

// Schedules are those that exist, by id.
func (s *Server) Schedules() map[string]*schedulepb.Schedule {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.schedules)
}

// CreateSchedule implements workflowservice.WorkflowServiceServer.
func (s *Server) CreateSchedule(_ context.Context, r *workflowservice.CreateScheduleRequest) (*workflowservice.CreateScheduleResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.schedules[r.GetScheduleId()]; ok {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("there is such a schedule", "", "")
	}
	s.schedules[r.GetScheduleId()] = r.GetSchedule()
	return &workflowservice.CreateScheduleResponse{}, nil
}

// DescribeSchedule implements workflowservice.WorkflowServiceServer.
func (s *Server) DescribeSchedule(_ context.Context, r *workflowservice.DescribeScheduleRequest) (*workflowservice.DescribeScheduleResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.schedules[r.GetScheduleId()]
	if !ok {
		return nil, serviceerror.NewNotFound("there is no such schedule")
	}
	return &workflowservice.DescribeScheduleResponse{Schedule: have, Info: &schedulepb.ScheduleInfo{}}, nil
}

// UpdateSchedule implements workflowservice.WorkflowServiceServer.
func (s *Server) UpdateSchedule(_ context.Context, r *workflowservice.UpdateScheduleRequest) (*workflowservice.UpdateScheduleResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schedules[r.GetScheduleId()] = r.GetSchedule()
	return &workflowservice.UpdateScheduleResponse{}, nil
}

// PauseSchedule pauses one as an operator does.
func (s *Server) PauseSchedule(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schedules[id].State = &schedulepb.ScheduleState{Paused: true, Notes: "by an operator"}
}
