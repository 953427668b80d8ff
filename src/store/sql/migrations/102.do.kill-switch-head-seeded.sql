INSERT INTO kill_switch_head (singleton, generation)
SELECT TRUE, GREATEST(1, COALESCE(MAX(k.generation), 1)) FROM kill_switch k
ON CONFLICT (singleton) DO NOTHING;
