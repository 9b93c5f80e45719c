-- A worker finds what is due for one channel and kind of task without reading the others' backlog.
CREATE INDEX idx_scheduled_tasks_lane ON scheduled_tasks (channel, task_type, due_at) WHERE status = 'pending';
