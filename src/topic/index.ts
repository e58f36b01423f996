/** What the spool loads when a topic is wanted, and not before. */
export { Topic } from "./topic.ts";
export { TopicRoom } from "./topic-room.ts";
